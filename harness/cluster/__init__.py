"""What stands around a node: servers, certificates, the release payload, the control plane."""
