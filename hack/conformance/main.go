// Holds dialtone's objects against what others make of them: kstatus, Argo CD's way with health scripts, and JSON schemas.
//
//	conformance states STATES.json HEALTH.lua    objects in every state, and what kstatus and the script should say of each
//	conformance schemas SWAGGER.json FOLDER      the API server's own kinds as JSON schemas, for kubeconform
//	conformance sarif SCHEMA.go FILE…            findings, against the schema of SARIF; some files have none, others some
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/santhosh-tekuri/jsonschema/v6"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// state is an object, and what should be said of it.
type state struct {
	Name    string `json:"name"`
	Kstatus string `json:"kstatus"`
	Argo    string `json:"argo"`
	Object  json.RawMessage
}

func main() {
	if len(os.Args) < 4 {
		fail("usage: conformance states STATES.json HEALTH.lua | schemas SWAGGER.json FOLDER | sarif SCHEMA.go FILE…")
	}
	switch os.Args[1] {
	case "sarif":
		findings(os.Args[2], os.Args[3:])
	case "states":
		states(os.Args[2], os.Args[3])
	case "schemas":
		schemas(os.Args[2], os.Args[3])
	default:
		fail("unknown command %q", os.Args[1])
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "error: "+format+"\n", args...)
	os.Exit(1)
}

func read(path string, into any) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		fail("%s: %v", path, err)
	}
}

func states(path, script string) {
	var all []state
	read(path, &all)
	source, err := os.ReadFile(script)
	if err != nil {
		fail("%v", err)
	}
	wrong := 0
	for _, one := range all {
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(one.Object); err != nil {
			fail("%s: %v", one.Name, err)
		}
		result, err := status.Compute(object)
		if err != nil {
			fail("%s: kstatus: %v", one.Name, err)
		}
		health, message, err := argo(string(source), object.Object)
		if err != nil {
			fail("%s: %s: %v", one.Name, script, err)
		}
		if result.Status.String() != one.Kstatus || health != one.Argo || message == "" {
			wrong++
			fmt.Fprintf(os.Stderr, "%s %s: kstatus says %s (should be %s), Argo CD %s (should be %s): %q\n",
				object.GetKind(), one.Name, result.Status, one.Kstatus, health, one.Argo, message)
		}
	}
	if wrong > 0 || len(all) < 40 {
		fail("%d of %d states are not as they should be", wrong, len(all))
	}
	fmt.Printf("%d states: kstatus and Argo CD say of each what they should\n", len(all))
}

// argo runs a health script as Argo CD does where nothing is configured: with few libraries, and the object as a global.
func argo(source string, object map[string]any) (health, message string, err error) {
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
	} {
		l.Push(l.NewFunction(open))
		l.Push(lua.LString(name))
		l.Call(1, 0)
	}
	l.SetGlobal("obj", value(l, object))
	if err := l.DoString(source); err != nil {
		return "", "", err
	}
	answer, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", fmt.Errorf("the script returns no table")
	}
	return lua.LVAsString(answer.RawGetString("status")), lua.LVAsString(answer.RawGetString("message")), nil
}

// findings checks files as they are. The schema is a constant that its module does not export: it is taken from the module's source.
func findings(source string, files []string) {
	text, err := os.ReadFile(source)
	if err != nil {
		fail("%v", err)
	}
	quoted := strings.SplitN(string(text), "`", 3)
	if len(quoted) != 3 {
		fail("%s: has no schema", source)
	}
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(quoted[1]))
	if err != nil {
		fail("%s: %v", source, err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("sarif.json", parsed); err != nil {
		fail("%s: %v", source, err)
	}
	schema, err := compiler.Compile("sarif.json")
	if err != nil {
		fail("%s: %v", source, err)
	}
	with := 0
	for _, file := range files {
		var found any
		read(file, &found)
		if err := schema.Validate(found); err != nil {
			fail("%s: %v", file, err)
		}
		var report sarif.Report
		read(file, &report)
		if len(report.Runs[0].Results) > 0 {
			with++
		}
	}
	if with == 0 || with == len(files) {
		fail("%d of %d files have findings: some should and some should not", with, len(files))
	}
	fmt.Printf("%d files are SARIF 2.1.0\n", len(files))
}

func value(l *lua.LState, v any) lua.LValue {
	switch v := v.(type) {
	case map[string]any:
		table := l.NewTable()
		for key, one := range v {
			table.RawSetString(key, value(l, one))
		}
		return table
	case []any:
		table := l.NewTable()
		for _, one := range v {
			table.Append(value(l, one))
		}
		return table
	case string:
		return lua.LString(v)
	case bool:
		return lua.LBool(v)
	case int64:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	default:
		return lua.LNil
	}
}

// schemas writes one file for each kind, in the place in which kubeconform looks, and one with what they refer to.
func schemas(path, folder string) {
	var swagger struct{ Definitions map[string]map[string]any }
	read(path, &swagger)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		fail("%v", err)
	}
	kinds := 0
	for name, definition := range swagger.Definitions {
		strict(definition)
		gvks, _ := definition["x-kubernetes-group-version-kind"].([]any)
		for _, one := range gvks {
			gvk := one.(map[string]any)
			group, version, kind := gvk["group"].(string), gvk["version"].(string), gvk["kind"].(string)
			if group != "" {
				version = strings.Split(group, ".")[0] + "-" + version
			}
			file := strings.ToLower(kind) + "-" + version + ".json"
			write(filepath.Join(folder, file), map[string]any{"$ref": "_definitions.json#/definitions/" + name})
			kinds++
		}
	}
	// What the API server takes in two ways.
	either := func(types ...any) map[string]any { return map[string]any{"type": types} }
	swagger.Definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = either("string", "number")
	swagger.Definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = either("string", "integer")
	write(filepath.Join(folder, "_definitions.json"), map[string]any{"definitions": swagger.Definitions})
	fmt.Printf("%d kinds of the API server as JSON schemas\n", kinds)
}

// strict refuses fields that nobody declared, and turns references into those of a file of JSON schemas.
func strict(v any) {
	switch v := v.(type) {
	case map[string]any:
		properties, ok := v["properties"].(map[string]any)
		if ok && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
		if to, ok := v["$ref"].(string); ok {
			v["$ref"] = "_definitions.json" + to
		}
		delete(v, "format")
		for _, one := range properties {
			// Not the map itself: a field may be called as a keyword is.
			strict(one)
		}
		for key, one := range v {
			if key != "properties" {
				strict(one)
			}
		}
	case []any:
		for _, one := range v {
			strict(one)
		}
	}
}

func write(path string, v any) {
	text, err := json.Marshal(v)
	if err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		fail("%s: %v", path, err)
	}
}
