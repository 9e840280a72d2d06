"""Storage and format joined: repositories, projects, packs, index, snapshots, claims.

repository      make and open one; its projects    project              one client's keys over one store
pack_writer     seal, verify, store, index         pack_reader          fetch, open, expand, verify
chunk_index     which chunk lies where             catalog_chunks       manifests and lists as chunks
snapshots       what was committed, and when       session              claim, write, commit
own_claim       the claim of this run              claims               waiting for those of others
forget_notes    which snapshots were forgotten     commit_verification  what a writer verifies after its commit
holds           what must not be forgotten         object_lock          the same by the store's own locks
check           is everything there and whole      cached_copies        whole copies of what is damaged in the store
client_memory   what this machine remembers        store_trust          what is believed of the store
gc              forget, mark, delete, repack       audit                the log of what was done
"""
