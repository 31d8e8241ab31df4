"""Files from elsewhere: download, verify, unpack, cache. The only place that downloads."""
