"""Stored bytes to values and back: no input or output, no clock. `docs/format.md` is the norm that this follows.

layout           names of objects                    descriptor       the public description of a repository
chunks           content-defined chunking (FastCDC)  capability       the secrets of a project, as a key file holds them
frames           zstd, one frame a chunk             pack             many frames and their table of contents
index            which chunk lies where              manifest         the table of all items of a snapshot
envelope         JSON with a keyed tag               tree             a long list of chunks as a tree of chunks
snapshot_record  what a snapshot is, and needs       changes          what it did to the items of the one before
claim            a writer at work, or taken for dead mark             packs that a prune will delete
moved_packs      what a prune stored again elsewhere
hold             what nobody may forget              forget_note      which snapshots were forgotten
rollup           snapshots summed up                 settings_copy    a sealed copy of settings
principal        whom keys are granted to            ssh_signature    Ed25519 signatures as OpenSSH has them
log_entry        what was done, signed, in a chain   log_head         the newest entry of a chain
log_stamp        a time stamp of one
parquet          tables as bytes                     strict_json      JSON of bounded size and depth
"""
