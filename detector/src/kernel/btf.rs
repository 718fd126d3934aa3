//! Reads the running kernel's BTF: where each struct keeps each field.
//!
//! Only structs, unions and what leads to them are understood; the rest is skipped by its size. The
//! format is that of Documentation/bpf/btf.rst, kernels up to 7.3.

use std::path::Path;

use detector_common::features;
use detector_common::offsets::Offsets;
use hashbrown::{HashMap, HashSet};

use super::KernelError;

/// Where the kernel publishes its own BTF (`CONFIG_DEBUG_INFO_BTF`).
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
/// Deepest nesting of anonymous members that is followed.
const DEPTH: usize = 16;

/// What a kernel tells of itself.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Where it keeps every field in [`Offsets::PATHS`]; fields that it lacks are unknown.
    pub offsets: Offsets,
    /// Bits of [`detector_common::features`].
    pub features: u32,
}

/// Reads what probes must know.
///
/// # Errors
/// The file cannot be read, or is no BTF.
pub fn facts(path: &Path) -> Result<Facts, KernelError> {
    let bytes = std::fs::read(path).map_err(|source| KernelError::Btf { path: path.into(), source })?;
    let btf = Btf::parse(&bytes).ok_or_else(|| KernelError::BtfFormat { path: path.into() })?;
    let mut offsets = Offsets::unknown();
    for (name, alternatives) in Offsets::PATHS {
        let found = alternatives.split('|').find_map(|path| {
            let (of, fields) = path.split_once('.')?;
            btf.offset(of, fields)
        });
        if let (Some(slot), Some(offset)) = (offsets.slot(name), found) {
            *slot = offset;
        }
    }
    let there = features::FUNCTIONS.iter().filter(|(_, function)| btf.has_function(function));
    let features = there.fold(0, |bits, (feature, _)| bits | feature);
    Ok(Facts { offsets, features })
}

/// A parsed BTF blob: types by id, struct ids by name.
struct Btf<'a> {
    types: Vec<&'a [u8]>,
    /// By name; some names have several.
    structs: HashMap<&'a [u8], Vec<&'a [u8]>>,
    functions: HashSet<&'a [u8]>,
    strings: &'a [u8],
}

/// One member of a struct or union.
struct Member {
    name: u32,
    kind: u32,
    bits: u32,
}

mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNC: u32 = 12;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

impl<'a> Btf<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let magic = u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?);
        if magic != MAGIC {
            return None;
        }
        let header = usize::try_from(word(bytes, 4)?).ok()?;
        let section = |at: usize| -> Option<&'a [u8]> {
            let start = header.checked_add(usize::try_from(word(bytes, at)?).ok()?)?;
            let len = usize::try_from(word(bytes, at + 4)?).ok()?;
            bytes.get(start..start.checked_add(len)?)
        };
        let (mut rest, strings) = (section(8)?, section(16)?);
        // Type 0 is void.
        let mut types = vec![rest.get(..0)?];
        while !rest.is_empty() {
            let info = word(rest, 4)?;
            let count = usize::try_from(info & 0xffff).ok()?;
            let len = 12
                + match info >> 24 & 0x1f {
                    kind::INT | kind::VAR | kind::DECL_TAG => 4,
                    kind::ARRAY => 12,
                    kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => count * 12,
                    kind::ENUM | kind::FUNC_PROTO => count * 8,
                    _ => 0,
                };
            let (one, more) = rest.split_at_checked(len)?;
            types.push(one);
            rest = more;
        }
        let mut btf = Self { types, structs: HashMap::new(), functions: HashSet::new(), strings };
        for of in &btf.types {
            let Some(name) = word(of, 0).and_then(|at| string(strings, at)) else { continue };
            match kind_of(of) {
                Some(kind::STRUCT) => btf.structs.entry(name).or_default().push(of),
                Some(kind::FUNC) => {
                    btf.functions.insert(name);
                }
                _ => {}
            }
        }
        Some(btf)
    }

    /// Byte offset of `fields` (dotted) in the struct called `name`.
    fn offset(&self, name: &str, fields: &str) -> Option<u32> {
        self.structs.get(name.as_bytes())?.iter().find_map(|of| self.descend(of, fields))
    }

    fn has_function(&self, name: &str) -> bool {
        self.functions.contains(name.as_bytes())
    }

    fn descend(&self, mut of: &'a [u8], fields: &str) -> Option<u32> {
        let mut bits = 0;
        for field in fields.split('.') {
            let (at, member) = self.member(of, field, DEPTH)?;
            bits += at;
            of = self.strip(member)?;
        }
        Some(bits / 8)
    }

    /// Bit offset and type id of a member, looked for in anonymous members too.
    fn member(&self, of: &'a [u8], field: &str, depth: usize) -> Option<(u32, u32)> {
        let depth = depth.checked_sub(1)?;
        for Member { name, kind, bits } in members(of) {
            if self.string(name)? == field.as_bytes() {
                return Some((bits, kind));
            }
            if name == 0
                && let Some(inner) = self.strip(kind)
                && let Some((at, found)) = self.member(inner, field, depth)
            {
                return Some((bits + at, found));
            }
        }
        None
    }

    /// The type behind typedefs and qualifiers.
    fn strip(&self, id: u32) -> Option<&'a [u8]> {
        let mut of = *self.types.get(usize::try_from(id).ok()?)?;
        for _ in 0..DEPTH {
            match kind_of(of)? {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    of = self.types.get(usize::try_from(word(of, 8)?).ok()?)?;
                }
                _ => return Some(of),
            }
        }
        None
    }

    fn string(&self, at: u32) -> Option<&'a [u8]> {
        string(self.strings, at)
    }
}

/// The name at `at`, up to its NUL.
fn string(strings: &[u8], at: u32) -> Option<&[u8]> {
    let tail = strings.get(usize::try_from(at).ok()?..)?;
    tail.split(|byte| *byte == 0).next()
}

fn members(of: &[u8]) -> impl Iterator<Item = Member> + '_ {
    let info = word(of, 4).unwrap_or(0);
    let composite = matches!(info >> 24 & 0x1f, kind::STRUCT | kind::UNION);
    let mask = if info >> 31 == 1 { 0x00ff_ffff } else { u32::MAX };
    let tail = if composite { of.get(12..).unwrap_or_default() } else { &[] };
    tail.chunks_exact(12).filter_map(move |member| {
        Some(Member { name: word(member, 0)?, kind: word(member, 4)?, bits: word(member, 8)? & mask })
    })
}

fn kind_of(of: &[u8]) -> Option<u32> {
    Some(word(of, 4)? >> 24 & 0x1f)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One struct `s { int a; struct { int b; }; }` with a 4-byte int.
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0s\0a\0b\0";
        let mut types = Vec::new();
        let mut put = |words: &[u32]| words.iter().for_each(|word| types.extend(word.to_le_bytes()));
        put(&[1, 1 << 24, 4, 32]); // 1: int
        put(&[0, 4 << 24 | 1, 4, 9, 1, 0]); // 2: struct { int b; }
        put(&[5, 4 << 24 | 2, 8, 7, 1, 0, 0, 2, 32]); // 3: struct s
        put(&[9, 12 << 24, 0]); // 4: a function b, of no type
        let mut out = vec![0x9f, 0xeb, 1, 0];
        for word in [24_u32, 0, types.len() as u32, types.len() as u32, strings.len() as u32] {
            out.extend(word.to_le_bytes());
        }
        out.extend(types);
        out.extend(strings);
        out
    }

    #[test]
    fn fields_are_found_through_anonymous_members() {
        let bytes = sample();
        let btf = Btf::parse(&bytes).unwrap();
        assert_eq!(btf.offset("s", "a"), Some(0));
        assert_eq!(btf.offset("s", "b"), Some(4));
        assert_eq!(btf.offset("s", "c"), None);
        assert_eq!(btf.offset("t", "a"), None);
    }

    #[test]
    fn functions_are_told_from_other_names() {
        let bytes = sample();
        let btf = Btf::parse(&bytes).unwrap();
        assert!(btf.has_function("b"));
        assert!(!btf.has_function("s"));
    }

    #[test]
    fn bytes_cut_anywhere_give_none_or_a_blob_and_never_panic() {
        let bytes = sample();
        for len in 0..bytes.len() {
            if let Some(btf) = Btf::parse(&bytes[..len]) {
                let _ = btf.offset("s", "b");
            }
        }
    }
}
