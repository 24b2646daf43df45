"""Design kit: layout, macros, styles, small scripts and the renderer that every room's pages stand on.

Knows no room. A room brings `templates/` and calls `Pages.page(request, "room/name.html", ...)`. See README.md beside this file.
"""
