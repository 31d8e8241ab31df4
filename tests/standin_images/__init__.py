"""Small stand-in images for tests of the layer contract, written in seconds, without root.

Layers are written by Python and the package database by the host's `rpm`. Labels, layers and file
names are as openshift/os and its pipeline write them; contents are made up, so no result on them
says anything about RHEL. os-release and the label `io.node-image.small-stand-in` say so.
"""
