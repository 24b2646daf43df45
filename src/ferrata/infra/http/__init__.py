"""What every answer over HTTP has in common: one shape of error, bounded bodies, security headers, request ids, paging links."""
