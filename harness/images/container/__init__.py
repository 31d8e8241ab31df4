"""Container images as a whole: copied by skopeo, read through its proxy, and served."""
