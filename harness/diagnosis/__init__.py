"""Lines of a machine's streams, the phases of its boot, and the rules that judge them. Pure."""
