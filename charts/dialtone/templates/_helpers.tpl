{{/* The name of everything, cut to what fits: what is set, or the release's. */}}
{{- define "dialtone.name" -}}
{{- $name := .Release.Name -}}
{{- if .Values.fullnameOverride -}}
{{- $name = .Values.fullnameOverride -}}
{{- else if and .Values.nameOverride (not (contains .Values.nameOverride $name)) -}}
{{- $name = printf "%s-%s" $name .Values.nameOverride -}}
{{- end -}}
{{- $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "dialtone.selector" -}}
app.kubernetes.io/name: {{ default "dialtone-operator" .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* managed-by is Helm here: "dialtone" marks what the operator made. */}}
{{- define "dialtone.labels" -}}
{{ include "dialtone.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: dialtone
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* "dialtone.annotations" (list . ANNOTATIONS): those of everything and those of one object; nothing if there are none. */}}
{{- define "dialtone.annotations" -}}
{{- with merge (dict) (index . 1 | default dict) ((index . 0).Values.commonAnnotations | default dict) -}}
annotations: {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* "dialtone.metadata" (list . ANNOTATIONS): an object's labels and annotations. */}}
{{- define "dialtone.metadata" -}}
labels: {{- include "dialtone.labels" (index . 0) | nindent 2 }}
{{- with include "dialtone.annotations" . }}
{{ . }}
{{- end }}
{{- end -}}

{{/* "dialtone.monitoringMetadata" (list . LABELS ANNOTATIONS): the same, with labels by which those who collect metrics find an object. */}}
{{- define "dialtone.monitoringMetadata" -}}
labels: {{- merge (dict) (index . 1 | default dict) (include "dialtone.labels" (index . 0) | fromYaml) | toYaml | nindent 2 }}
{{- with include "dialtone.annotations" (list (index . 0) (index . 2)) }}
{{ . }}
{{- end }}
{{- end -}}

{{- define "dialtone.serviceAccount" -}}
{{- default (ternary (include "dialtone.name" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "dialtone.image" -}}
{{- with default .Values.image.registry (.Values.global).imageRegistry -}}
{{ trimSuffix "/" . }}/
{{- end -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The names of the Secrets for pulling the image, as a JSON array. */}}
{{- define "dialtone.pullSecrets" -}}
{{- $names := list -}}
{{- range concat .Values.imagePullSecrets (default (list) (.Values.global).imagePullSecrets) -}}
{{- if kindIs "string" . -}}
{{- $names = append $names . -}}
{{- else -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- end -}}
{{- $names | uniq | toJson -}}
{{- end -}}

{{/* What a pod and its container may not do, under the restricted Pod Security level. */}}
{{- define "dialtone.podSecurityContext" -}}
{{- $own := dict "runAsNonRoot" true "runAsUser" 65532 "runAsGroup" 65532 "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- merge (dict) (.Values.podSecurityContext | default dict) $own | toYaml -}}
{{- end -}}
{{- define "dialtone.securityContext" -}}
{{- $own := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- merge (dict) (.Values.securityContext | default dict) $own | toYaml -}}
{{- end -}}

{{/* What the operator may do, each with its reason. */}}
{{- define "dialtone.rules" -}}
# What people write.
- apiGroups: [dialtone.dev]
  resources: [phonesites, sipphones]
  verbs: [list, watch]
# What the operator says of it, and nothing else.
- apiGroups: [dialtone.dev]
  resources: [phonesites/status, sipphones/status]
  verbs: [patch]
# An owner reference with blockOwnerDeletion needs this where admission checks it.
- apiGroups: [dialtone.dev]
  resources: [phonesites/finalizers]
  verbs: [update]
# Passwords and firmware that sites and phones refer to are read; rendered files and tokens are written.
- apiGroups: [""]
  resources: [configmaps, secrets]
  verbs: [get, list, watch, create, patch, delete]
{{- if (.Values.sites).demandConsent }}
# Whether the owner of a volume with firmware consents.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get]
{{- end }}
# The TFTP server of each site. What goes with its site the garbage collector deletes; what a site owns and no longer wants, such as
# its Service when it begins to use the nodes' own network, the operator deletes.
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
# Which pods are a site's own: those of a ReplicaSet of its Deployment.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# How many pods of a site a drain leaves.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# The pods' addresses, to ask them what they served; their annotation, so that the kubelet looks at changed files at once.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]
# What a person should notice.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* The Lease by which processes agree on the one that writes. No rule can bind the name of what is created. */}}
{{- define "dialtone.leaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ . }}]
  verbs: [get, update]
{{- end -}}

{{/* The ports of the API server, as a JSON array: what is set, what the cluster says, or those that API servers usually have. */}}
{{- define "dialtone.apiServerPorts" -}}
{{- $ports := list 443 -}}
{{- with .Values.networkPolicy.egress.apiServerPorts -}}
{{- $ports = . -}}
{{- else -}}
{{- $slice := lookup "discovery.k8s.io/v1" "EndpointSlice" "default" "kubernetes" -}}
{{- range ($slice.ports | default (list (dict "port" 6443) (dict "port" 8443) (dict "port" 16443))) -}}
{{- $ports = append $ports (int .port) -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
