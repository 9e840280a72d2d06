"""Which items are meant: queries over the manifests of a moment."""
