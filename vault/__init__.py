"""The repository: sources, chunking, compression, sealing, packs, index, manifests, snapshots, storage."""
