"""Repair: what is damaged or gone in a repository is mended, as far as the truth can be had anywhere.

object_copies     whole copies of objects: this machine's cache, other stores
pack_damage       which packs that snapshots need are gone or damaged
missing_chunks    which chunks the snapshots lack for that, and in which bad pack each lay
chunk_sources     where the content of chunks can be had
replacements      for each bad pack where what is missing of it can be had
lost_packs        storing it anew, and saying so
"""
