# Copyright (c) 2026 the nmgre authors
# SPDX-License-Identifier: MIT


class ModuleDocFragment:
    DOCUMENTATION = r'''
options:
  executable:
    description: >-
      The path of nmgre on the host. Without it the program is looked for in the PATH, and in
      /usr/local/bin, /usr/bin, /usr/local/sbin and /usr/sbin.
    type: path
requirements:
  - nmgre on the host
  - Python 3.6 or newer on the host, without any library
'''
