"""The OCI image format: manifests, and layouts on disk, read and written."""
