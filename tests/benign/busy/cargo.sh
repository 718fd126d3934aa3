# A crate that is built again and again, as somebody does who is working on it.
command -v cargo > /dev/null || { echo "no cargo"; exit 77; }
mkdir -p crate/src
cd crate
cat > Cargo.toml <<'TOML'
[package]
name = "tables"
version = "0.1.0"
edition = "2021"
[workspace]
TOML
echo "use std::collections::BTreeMap;" > src/lib.rs
for number in $(seq 40); do
    echo "pub fn table_$number(words: &[&str]) -> BTreeMap<String, Vec<usize>> {
    let mut table: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, word) in words.iter().enumerate() { table.entry(word.repeat($number)).or_default().push(at); }
    table.retain(|_, places| places.len() > $number); table }"
done >> src/lib.rs
echo 'fn main() { println!("{}", tables::table_7(&["a"]).len()); }' > src/main.rs
unset CARGO_TARGET_DIR
until=$((SECONDS + LONG))
while [ $SECONDS -lt $until ]; do
    touch src/lib.rs
    cargo build --offline --release -q
done
cargo run --offline --release -q
