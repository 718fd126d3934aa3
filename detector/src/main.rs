//! The `detector` binary.
use detector::kernel::sensor::*;
fn main() {
    let t = std::time::Instant::now();
    let r = Sensor::load(&Settings::default());
    println!("{:?}", t.elapsed());
    match r {
        Ok((s, _)) => for st in s.states() { println!("{} {:?}", st.hook.program, st.refused); }
        Err(e) => { let mut e: &dyn std::error::Error = &e; println!("{e}"); while let Some(s) = e.source() { println!("  {s}"); e = s; } }
    }
}
