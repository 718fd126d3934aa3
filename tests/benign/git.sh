# git: commit with a hook, branch, rebase, clone, fetch, submodule, worktree, bundle, gc.
git config --global user.name Agent
git config --global user.email agent@example.invalid
git config --global init.defaultBranch main
git config --global protocol.file.allow always
git init -q origin
cd origin
printf '#!/bin/sh\ngit diff --cached --check\n' > .git/hooks/pre-commit
chmod +x .git/hooks/pre-commit
for number in 1 2 3 4 5 6 7 8; do
    seq "$number" 400 > "file$number"
    git add .
    git commit -qm "change $number"
done
git checkout -qb topic HEAD~4
echo topic > topic
git add topic
git commit -qm "a topic; see stratum+tcp://pool.example:3333 in the log of xmrig"
git rebase -q main
git tag -a v1 -m "version 1"
cd ..
git init -q library
(cd library && echo library > library && git add . && git commit -qm library)
git clone -q origin clone
cd clone
git submodule --quiet add ../library library
git commit -qm "a submodule"
git worktree add -q ../tree -b tree
git grep -n topic || true
git log -p --all --stat > ../log
git archive --format=tar.gz -o ../archive.tar.gz HEAD
git bundle create -q ../all.bundle --all
git stash list
git gc -q --aggressive --prune=now
git fsck --full
git push -q origin HEAD:refs/heads/pushed
git fetch -q --prune origin
