"""Storage and format joined: repositories, projects, packs, index, snapshots, claims.

repository    make and open one; its projects          project     one client's keys over one store
pack_writer   seal, verify, store, index               pack_reader fetch, open, expand, verify
chunk_index   which chunk lies where                   meta        manifests and lists as chunks
snapshots     what was committed, and when             session     claim, write, commit
check         is everything there, is it whole
"""
