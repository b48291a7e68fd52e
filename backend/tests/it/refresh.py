"""dnf's makecache, over and over in one process: refresh.py MACHINE URL STOP

Reads the metadata of the machine's repositories anew until the file STOP exists, and prints, as JSON, how often it did
and during how many of these times what URL says (latest.json) changed. A failure is told at once, with exit code 1.
"""

import json
import os
import sys
import urllib.request

import dnf

machine, url, stop = sys.argv[1:]


def snapshot():
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)["snapshot"]


base = dnf.Base()
base.conf.installroot = f"{machine}/root"
base.conf.reposdir = [f"{machine}/repos"]
base.conf.cachedir = f"{machine}/cache"
base.conf.persistdir = f"{machine}/persist"
base.conf.logdir = f"{machine}/log"
base.conf.substitutions["releasever"] = "12"
base.read_all_repos()
repositories = list(base.repos.iter_enabled())
assert repositories and all(r.repo_gpgcheck and not r.skip_if_unavailable for r in repositories)

times = moved = 0
before = snapshot()
while not os.path.exists(stop):
    for repository in repositories:
        # What dnf does for --refresh, and what it does when it needs the metadata.
        repository._repo.expire()
        try:
            repository.load()
        except Exception as error:
            sys.exit(f"after {times} times: {error}")
    after = snapshot()
    times += 1
    moved += after != before
    before = after
    # Seen from outside, and never half written.
    with open(f"{stop}.new", "w") as file:
        file.write(str(times))
    os.rename(f"{stop}.new", f"{stop}.times")
print(json.dumps({"times": times, "moved": moved}))
