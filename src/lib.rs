//! Provisions Cisco 7940 and 7960 SIP phones from Kubernetes manifests.

pub mod api;
pub mod phone;
pub mod provision;
