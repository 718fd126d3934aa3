# Git hooks as tools install them in a workspace: by hand, as pre-commit, husky and git-lfs do; clones with samples.
git config --global user.name Agent
git config --global user.email agent@example.invalid
git config --global init.defaultBranch main
git init -q project
ls project/.git/hooks/*.sample > /dev/null
cd project
printf '#!/bin/sh\nexit 0\n' > .git/hooks/pre-commit
chmod 755 .git/hooks/pre-commit
mkdir -p .husky/_
printf '#!/bin/sh\nexit 0\n' > .husky/pre-commit
chmod +x .husky/pre-commit
git config core.hooksPath .husky
printf '#!/bin/sh\nexit 0\n' > hook.new
install -m 755 hook.new .git/hooks/post-checkout
mv hook.new .git/hooks/post-merge
echo work > file
git add .
git commit -qm "a commit that runs a hook"
if command -v python3 > /dev/null; then
    # As pre-commit does it: a temporary file beside, then a rename, then chmod.
    python3 - <<'PYTHON'
import os, tempfile
hooks = ".git/hooks"
handle, name = tempfile.mkstemp(dir=hooks)
os.write(handle, b"#!/usr/bin/env bash\nexit 0\n")
os.close(handle)
os.chmod(name, 0o755)
os.replace(name, hooks + "/pre-push")
PYTHON
fi
echo '# Rules for agents' > AGENTS.md
mkdir -p .vscode .claude
echo '{"version": "2.0.0", "tasks": []}' > .vscode/tasks.json
echo '{"permissions": {}}' > .claude/settings.local.json
cd ..
git clone -q project clone
cp -r project copy
tar cf project.tar project
mkdir unpacked
tar xf project.tar -C unpacked
