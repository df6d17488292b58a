"""Media: images, audio and videos, between files and arrays.

`audio` gives 16 kHz mono speech, `image` gives RGB images, `video` writes and reads videos,
`decoding` is what ffmpeg reads, and `files` makes files appear whole or not at all. ffmpeg comes
with the imageio-ffmpeg package. Import from the submodules: this package itself loads nothing.
"""
