"""The stage on which the tests play: the real `postern` program, as sandbox tenant and as gateway, on free loopback ports.

Nothing here knows how Postern works inside. What is used is its command line, its configuration files, SMTP, HTTP, its pages in a
browser and the sandbox's API, all of it as `docs/` describes it.
"""
