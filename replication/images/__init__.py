"""Images as NumPy arrays: reading and writing, MATLAB's bicubic resizing, luma, PSNR and SSIM."""
