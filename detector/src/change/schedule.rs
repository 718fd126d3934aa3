//! When something runs, in words: the five fields of cron, its names, and the calendar of systemd.

const DAYS: [&str; 8] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// `@reboot` and its like.
pub(super) fn nickname(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "@reboot" => "at every boot",
        "@yearly" | "@annually" => "once a year",
        "@monthly" => "once a month",
        "@weekly" => "once a week",
        "@daily" | "@midnight" => "once a day",
        "@hourly" => "once an hour",
        "@every_minute" => "every minute",
        _ => return None,
    })
}

/// The five fields of cron: minute, hour, day of the month, month, day of the week. `None` where they are
/// none.
pub(super) fn fields(fields: [&str; 5]) -> Option<String> {
    if !fields.iter().all(|field| is_field(field)) {
        return None;
    }
    let [minute, hour, day, month, weekday] = fields;
    let (time, is_clock) = time(minute, hour);
    let mut out = time;
    let days = match (day, weekday) {
        ("*", "*") if is_clock && month == "*" => " every day".to_owned(),
        ("*", "*") => String::new(),
        ("*", weekday) => format!(" on {}", listed(weekday, &DAYS, 0)),
        (day, "*") => format!(" on day {day} of the month"),
        (day, weekday) => format!(" on day {day} of the month and on {}", listed(weekday, &DAYS, 0)),
    };
    out.push_str(&days);
    if month != "*" {
        out.push_str(" in ");
        out.push_str(&listed(month, &MONTHS, 1));
    }
    Some(out)
}

/// The time of day, and whether it is one by the clock.
fn time(minute: &str, hour: &str) -> (String, bool) {
    match (step(minute), number(minute), hour) {
        (_, _, "*") if minute == "*" => ("every minute".to_owned(), false),
        (Some(step), _, "*") => (format!("every {step} minutes"), false),
        (_, Some(minute), "*") => (format!("every hour at minute {minute}"), false),
        (_, Some(minute), hour) => match (step(hour), clock(minute, hour)) {
            (Some(step), _) => (format!("every {step} hours at minute {minute}"), false),
            (_, Some(times)) => (format!("at {times}"), true),
            _ => (format!("at minute {minute} of the hours {hour}"), false),
        },
        (Some(step), _, hour) => (format!("every {step} minutes in the hours {hour}"), false),
        (None, None, "*") => (format!("every hour at the minutes {minute}"), false),
        (None, None, hour) if minute == "*" => (format!("every minute in the hours {hour}"), false),
        (None, None, hour) => (format!("at the minutes {minute} of the hours {hour}"), false),
    }
}

/// `03:00`, or several.
fn clock(minute: u32, hours: &str) -> Option<String> {
    let times: Option<Vec<String>> =
        hours.split(',').map(|hour| Some(format!("{:02}:{minute:02}", number(hour)?))).collect();
    Some(times?.join(", "))
}

/// Names for numbers, in lists and ranges; what is no number stays.
fn listed(field: &str, names: &[&str], first: usize) -> String {
    let name = |part: &str| {
        let at = number(part).and_then(|number| usize::try_from(number).ok()?.checked_sub(first));
        let known = at.and_then(|at| names.get(at)).copied();
        let long = || names.iter().copied().find(|name| begins(name, part));
        known.or_else(long).unwrap_or(part).to_owned()
    };
    let range = |part: &str| match part.split_once('-') {
        Some((from, to)) => format!("{} to {}", name(from), name(to)),
        None => name(part),
    };
    field.split(',').map(range).collect::<Vec<_>>().join(", ")
}

fn begins(name: &str, part: &str) -> bool {
    part.len() >= 3 && name.get(..part.len()).is_some_and(|start| start.eq_ignore_ascii_case(part))
}

fn step(field: &str) -> Option<u32> {
    number(field.strip_prefix("*/").or_else(|| field.strip_prefix("0/"))?)
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number < 100 && text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_field(field: &str) -> bool {
    !field.is_empty()
        && field.len() <= 100
        && field.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '*')
        && field.chars().all(|c| c.is_ascii_alphanumeric() || "*/,-~".contains(c))
        && field.chars().any(|c| c == '*' || c.is_ascii_digit() || field.len() >= 3)
}

/// systemd's calendar: its names and a few plain forms in words, the rest as it stands.
pub(super) fn calendar(text: &str) -> String {
    let known = match text.trim().to_ascii_lowercase().as_str() {
        "minutely" | "*:*" | "*-*-* *:*:00" => "every minute",
        "hourly" | "*:00" | "*-*-* *:00:00" => "every hour",
        "daily" | "*-*-*" | "*-*-* 00:00:00" => "every day",
        "weekly" => "every week",
        "monthly" => "every month",
        "quarterly" => "every quarter",
        "yearly" | "annually" => "every year",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let minutes = text.trim().strip_prefix("*-*-* ").unwrap_or(text.trim());
    let minutes = minutes.strip_suffix(":00").filter(|rest| rest.contains(':')).unwrap_or(minutes);
    match minutes.strip_prefix("*:").and_then(step) {
        Some(step) => format!("every {step} minutes"),
        None => format!("by the calendar {}", text.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_put_in_words() {
        for (given, said) in [
            ("* * * * *", "every minute"),
            ("*/5 * * * *", "every 5 minutes"),
            ("17 * * * *", "every hour at minute 17"),
            ("0 3 * * *", "at 03:00 every day"),
            ("25 6 * * 7", "at 06:25 on Sunday"),
            ("0 6,18 * * 1-5", "at 06:00, 18:00 on Monday to Friday"),
            ("52 6 1 * *", "at 06:52 on day 1 of the month"),
            ("0 0 1 1 *", "at 00:00 on day 1 of the month in January"),
            ("30 */2 * * *", "every 2 hours at minute 30"),
            ("0 3 * feb mon", "at 03:00 on Monday in February"),
            ("1,31 * * * *", "every hour at the minutes 1,31"),
            ("* 4 * * *", "every minute in the hours 4"),
        ] {
            let words: Vec<&str> = given.split(' ').collect();
            assert_eq!(fields(words.try_into().unwrap()).as_deref(), Some(said), "{given}");
        }
        assert_eq!(fields(["if", "[", "-x", "a", "]"]), None);
        assert_eq!(
            fields(["9999999999", "*", "*", "*", "*"]).unwrap(),
            "every hour at the minutes 9999999999"
        );
        assert_eq!(nickname("@Reboot"), Some("at every boot"));
    }

    #[test]
    fn calendars_are_put_in_words_or_stay() {
        for (given, said) in [
            ("daily", "every day"),
            ("*:0/5", "every 5 minutes"),
            ("*-*-* *:0/10:00", "every 10 minutes"),
            ("Mon *-*-* 04:00:00", "by the calendar Mon *-*-* 04:00:00"),
        ] {
            assert_eq!(calendar(given), said);
        }
    }
}
