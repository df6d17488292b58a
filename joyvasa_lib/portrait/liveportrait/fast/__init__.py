"""The official networks' arithmetic with less work: the same results to float32 rounding.

What is exact algebra here, by file: ``phases`` (convolutions of enlarged maps on the small map),
``translation`` (a shifted grid sampled axis by axis), ``mask`` (a 7 x 7 x 7 convolution as products
of spectra, or of depth slices), ``warping`` and ``generator`` (what depends on the portrait alone
done once, norms folded, branches fused).
"""
