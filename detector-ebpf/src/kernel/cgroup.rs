//! Reads control groups.

/// A control group.
#[derive(Clone, Copy)]
pub struct Cgroup(pub *const u8);

impl Cgroup {
    /// Inode number of its directory.
    #[inline(always)]
    pub fn id(self) -> u64 {
        let node: *const u8 = at!(self.0, cgroup_kn);
        at!(node, kernfs_id)
    }

    /// Whether it belongs to cgroup2; ids of other hierarchies mean something else.
    #[inline(always)]
    pub fn is_unified(self) -> bool {
        let root: *const u8 = at!(self.0, cgroup_root);
        let hierarchy: u32 = at!(root, root_hierarchy);
        hierarchy == 0
    }

    /// Id of the control group above.
    #[inline(always)]
    pub fn parent_id(self) -> u64 {
        let own = inside!(self.0, cgroup_self);
        let parent: *const u8 = at!(own, css_parent);
        // `self` is embedded in its cgroup, so the way back is the same offset.
        let back = offset!(cgroup_self);
        Self(parent.wrapping_sub(back)).id()
    }
}
