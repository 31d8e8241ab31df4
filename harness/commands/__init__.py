"""The commands of `node-image`, a module for each subject."""
