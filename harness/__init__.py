"""Boot-level integration tests for layered OpenShift node images; see README.md."""
