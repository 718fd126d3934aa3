//! Quiet hours: when people are told of the gravest only.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

/// A span of each day.
#[derive(Clone, Debug)]
pub struct Quiet {
    from: Time,
    to: Time,
    zone: TimeZone,
    /// As written.
    pub span: String,
}

impl Quiet {
    /// `"22:00-07:00"` in a zone such as `"Europe/Berlin"`, UTC where none is named.
    ///
    /// # Errors
    /// The key that is wrong, and the remedy.
    pub fn parse(span: &str, zone: Option<&str>) -> Result<Self, (&'static str, String)> {
        let wrong = || ("quiet", "quiet is no span of hours; write e.g. \"22:00-07:00\"".to_owned());
        let (from, to) = span.split_once('-').ok_or_else(wrong)?;
        let time = |text: &str| Time::strptime("%H:%M", text.trim()).map_err(|_| wrong());
        let (from, to) = (time(from)?, time(to)?);
        if from == to {
            return Err(("quiet", "quiet begins when it ends; write e.g. \"22:00-07:00\"".to_owned()));
        }
        Ok(Self { from, to, zone: self::zone(zone)?, span: span.to_owned() })
    }

    /// Whether it is quiet at this time: milliseconds since the epoch.
    pub fn holds(&self, at_ms: i64) -> bool {
        let Ok(at) = Timestamp::from_millisecond(at_ms) else { return false };
        let time = at.to_zoned(self.zone.clone()).time();
        if self.from < self.to {
            self.from <= time && time < self.to
        } else {
            time >= self.from || time < self.to
        }
    }
}

/// A time zone by its name.
///
/// # Errors
/// There is none of that name.
pub fn zone(name: Option<&str>) -> Result<TimeZone, (&'static str, String)> {
    let Some(name) = name else { return Ok(TimeZone::UTC) };
    TimeZone::get(name).map_err(|_| {
        let message =
            format!("timezone: there is no time zone \"{name}\"; write e.g. \"Europe/Berlin\" or \"UTC\"");
        ("timezone", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(span: &str, zone: Option<&str>, at: &str) -> bool {
        let at: Timestamp = at.parse().unwrap();
        Quiet::parse(span, zone).unwrap().holds(at.as_millisecond())
    }

    #[test]
    fn a_night_spans_midnight_in_its_own_zone() {
        for (at, quiet) in [
            ("2026-07-01T19:59:59Z", false),
            ("2026-07-01T20:00:00Z", true),
            ("2026-07-02T04:59:00Z", true),
            ("2026-07-02T05:00:00Z", false),
            // In winter, an hour later.
            ("2026-12-01T20:30:00Z", false),
            ("2026-12-01T21:00:00Z", true),
        ] {
            assert_eq!(holds("22:00-07:00", Some("Europe/Berlin"), at), quiet, "{at}");
        }
        assert!(holds("12:00-13:00", None, "2026-07-01T12:30:00Z"));
        assert!(!holds("12:00-13:00", None, "2026-07-01T13:00:00Z"));
    }

    #[test]
    fn what_is_no_span_or_zone_names_its_key() {
        for span in ["", "22-7", "22:00", "25:00-07:00", "22:00-22:00"] {
            assert_eq!(Quiet::parse(span, None).unwrap_err().0, "quiet", "{span}");
        }
        let (key, message) = Quiet::parse("22:00-07:00", Some("Europe/Atlantis")).unwrap_err();
        assert_eq!(key, "timezone");
        assert!(message.contains("Europe/Atlantis") && message.contains("Europe/Berlin"), "{message}");
    }
}
