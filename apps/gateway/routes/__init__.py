"""The declarations of all routes (`Route`) and of health pages; the application is built from them."""
