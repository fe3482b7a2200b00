"""PSNR and SSIM: Table 1's columns, training conditions, metric protocols, and their pages."""
