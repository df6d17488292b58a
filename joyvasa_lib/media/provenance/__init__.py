"""Provenance: marks that say a file is synthetic, written into it and read again.

`mark` is what is said, as an XMP packet; `writing` puts it into files, `inspection` reads it
from any file; `signing` and `manifests` are Content Credentials of C2PA (extra ``c2pa``). Import
from the submodules: this package itself loads nothing.
"""
