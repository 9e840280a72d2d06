"""The console for scripts: what its pages show and do, as JSON, with the same rights and the same entries in the log.

    routing      an operation as a route: who asks, parameters, a bounded body, errors as JSON
    operations   all of them; each calls the gateway, as a page does
    openapi      the document that describes them, made of the same declarations

Whoever asks brings a token (`Authorization: Bearer …`). A browser's session may read, and changes nothing here.
"""
