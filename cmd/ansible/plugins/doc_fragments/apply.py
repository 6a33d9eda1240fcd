# Copyright (c) 2026 the nmgre authors
# SPDX-License-Identifier: MIT


class ModuleDocFragment:
    DOCUMENTATION = r'''
options:
  wait:
    description: How long each tunnel may take, such as C(10s) or C(1m). nmgre's default is C(30s).
    type: str
  probe:
    description: Probe the far end of what was changed. A far end that is silent is a warning.
    type: bool
    default: true
notes:
  - nmgre needs root for what NetworkManager cannot express. Use C(become=true).
  - A key of GRE is no secret, and is logged like any other option.
attributes:
  check_mode:
    description: Can run in check mode, without changing the host.
    support: full
  diff_mode:
    description: Shows the fields of each tunnel before and after.
    support: full
  platform:
    description: Linux with NetworkManager 1.42 or newer.
    platforms: linux
    support: full
'''
