# Copyright (c) 2026 the nmgre authors
# SPDX-License-Identifier: MIT
"""Runs nmgre on the host, and hands on what it says. Nothing is decided here."""

import json

# Where `make install` and the packages put the program, for a PATH that lacks it.
FOLDERS = ['/usr/local/bin', '/usr/bin', '/usr/local/sbin', '/usr/sbin']

INSTALL = (
    'install it on the host: the package nmgre (nmgre_VERSION_ARCH.deb, .rpm or .apk) of `make packages`,'
    ' or the program itself as /usr/local/bin/nmgre, which needs nothing else; or give its path as executable'
)

# The exit code of nmgre for a request that the caller may not make.
NOT_PERMITTED = 4

# The options that each module has for the call itself.
CALL = dict(
    executable=dict(type='path'),
)


class Program:
    """The program nmgre on this host."""

    def __init__(self, module):
        self.module = module
        given = module.params['executable']
        self.path = module.get_bin_path(given or 'nmgre', opt_dirs=FOLDERS)
        if self.path is None:
            what = 'there is no program %s' % given if given else 'nmgre is not installed'
            module.fail_json(msg='%s on this host; %s' % (what, INSTALL), hints=[INSTALL])

    def run(self, args, data=None):
        """Runs nmgre, and returns its exit code and both outputs."""
        # nmgre's texts are UTF-8, and are looked at in no other language.
        return self.module.run_command(
            [self.path] + args, data=data, encoding='utf-8', errors='surrogate_or_replace',
            environ_update=dict(NO_COLOR='1'),
        )

    def json(self, args, data=None, good=(0,)):
        """Runs nmgre with --json, and returns what it answers. Fails with nmgre's own error."""
        code, out, errs = self.run(args + ['--json'], data)
        answer = parse(out)
        if code in good and answer is not None:
            return answer
        self.fail(args, code, answer, errs, data)

    def text(self, args):
        """Runs nmgre, and returns what it prints. Fails with nmgre's own error."""
        code, out, errs = self.run(args)
        if code != 0:
            self.fail(args, code, None, errs)
        return out

    def fail(self, args, code, answer, errs, data=None):
        """Ends the module with the error of nmgre: its message, its hints, and each single error."""
        error = answer.get('error') if isinstance(answer, dict) else None
        if not isinstance(error, dict):
            error = from_lines(errs)
        message = error.get('message') or 'nmgre %s ended with exit code %d' % (args[0], code)
        hints = list(error.get('hints') or [])
        if code == NOT_PERMITTED:
            hints.append('let Ansible become root for it: become: true')
        errors = [located(one, data) for one in error.get('errors') or []]
        self.module.fail_json(
            msg=message + ''.join('; hint: ' + hint for hint in hints),
            message=message, hints=hints, errors=errors, rc=code, stderr=errs, cmd=[self.path] + args,
        )


def parse(text):
    """Returns the JSON of a text, or None where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def from_lines(errs):
    """Reads nmgre's error from standard error: lines with `nmgre: ` and with `hint: `."""
    messages, hints = [], []
    for line in errs.splitlines():
        if line.startswith('hint: '):
            hints.append(line[len('hint: '):])
        elif line.startswith('nmgre: '):
            messages.append(line[len('nmgre: '):])
    return dict(message=messages[-1] if messages else errs.strip(), hints=hints)


def located(error, data):
    """Adds to an error that names a line of the document what stands there."""
    lines = (data or '').splitlines()
    number = error.get('line') or 0
    if 0 < number <= len(lines):
        return dict(error, text=lines[number - 1].strip())
    return error


def apply(module, text, args):
    """Has nmgre apply a document, and returns the module's result."""
    program = Program(module)
    args = ['apply', '-f', '-'] + args
    if module.params['wait'] is not None:
        args += ['--wait', module.params['wait']]
    if module.params['probe'] is False:
        args.append('--no-probe')
    if module.check_mode:
        args.append('--check')
    answer = program.json(args, text)
    result = dict(
        changed=answer['changed'], tunnels=answer['diff'], verify=answer['verify'],
        notes=answer.get('notes') or [],
    )
    if module._diff:
        result['diff'] = [difference(one) for one in answer['diff'] if one['action'] != 'none']
    warn(module, answer['verify'])
    return result


def difference(one):
    """The change of one tunnel as Ansible shows it: without the fields that stay."""
    before, after = one['before'], one['after']
    if before and after:
        names = [name for name in set(before) | set(after) if before.get(name) != after.get(name)]
        before = dict((name, before[name]) for name in names if name in before)
        after = dict((name, after[name]) for name in names if name in after)
    if one.get('drift'):  # the kernel differs, and the fields stay
        before, after = dict(before or {}, drift=one['drift']), dict(after or {}, drift=[])
    return dict(
        before=before or {}, after=after or {},
        before_header='tunnel ' + one['tunnel'], after_header='tunnel %s (%s)' % (one['tunnel'], one['action']),
    )


def warn(module, reports):
    """Warns of each check that does not pass."""
    for report in reports:
        for check in report['checks']:
            if check['status'] in ('warn', 'fail'):
                hint = '; hint: ' + check['hint'] if check['hint'] else ''
                module.warn('%s: %s%s' % (report['tunnel'], check['summary'], hint))


# How a document is applied, for the modules that do so.
APPLY = dict(
    CALL,
    wait=dict(type='str'),
    probe=dict(type='bool', default=True),
)
