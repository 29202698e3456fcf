"""The file service: uploads, downloads and thumbnails of files in channels. Entry: `main.build`."""
