"""What the pictures of a page show, as plain data; `vswin.report.drawing` draws it."""
