"""The embedded renderer: procedural previews, made on this machine, offline."""
