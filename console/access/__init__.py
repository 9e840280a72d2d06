"""Who may what. Nothing here knows of requests, accounts or the repository.

rights    actions, roles, assignments; the scope that a person has in a project
"""
