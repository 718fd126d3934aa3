# An editor without a screen: vim edits and saves; ed and sed where they are.
command -v vim > /dev/null || { echo "no vim"; exit 77; }
printf 'one\ntwo\nthree\n' > text
vim -Nu NONE -es -c '%s/two/2/' -c wq text
grep -q 2 text
vim -Nu NONE -es -c 'r !date' -c wq text
printf 'set number\n' > "$HOME/.vimrc"
vim -es -c 'normal ggdd' -c wq text < /dev/null
sed -i.bak 's/three/3/' text
