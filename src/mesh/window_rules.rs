//! The rules about maintenance windows: each is one, and opens some day.

use crate::mesh::judge::Judge;
use crate::mesh::lifetime_rules::{Open, Zero};
use crate::mesh::mesh_schema::WrittenWindow;
use crate::mesh::snippet::Placed;
use crate::mesh::window::{BadWindow, Window};
use crate::mesh::windows::Windows;
use crate::problem::Code;

/// More windows than this are a calendar.
const MOST: usize = 32;

impl Judge<'_> {
    pub(crate) fn windows(&mut self, written: &[Placed<WrittenWindow>]) -> Option<Open> {
        let place = written.first().and_then(|first| first.place);
        if written.len() > MOST {
            let what = format!("rotation.windows has {} windows, more than {MOST}", written.len());
            self.refuse(Code::BadValue, place, &what, "take one window for several days: `cron: \"0 2 * * 3,6\"`");
            return None;
        }
        let windows: Vec<Option<Window>> = written.iter().map(|window| self.window(&window.value)).collect();
        let windows: Option<Vec<Window>> = windows.into_iter().collect();
        Some(Open { windows: Windows::new(windows?), place })
    }

    fn window(&mut self, written: &WrittenWindow) -> Option<Window> {
        let duration = self.length("rotation.windows[].duration", &written.duration, Zero::Refused)?;
        let (cron, zone) = (&written.cron.value, &written.time_zone.value);
        let bad = match Window::parse(cron, zone, duration.length) {
            Ok(window) => return Some(window),
            Err(bad) => bad,
        };
        let (code, key, text, place) = match bad {
            BadWindow::Duration => (Code::BadDuration, "duration", &written.duration.value.0, written.duration.place),
            BadWindow::Zone => (Code::BadValue, "timeZone", zone, written.time_zone.place),
            BadWindow::Fields(_) | BadWindow::Cron | BadWindow::Never => {
                (Code::BadValue, "cron", cron, written.cron.place)
            }
        };
        self.refuse(code, place, &format!("rotation.windows[].{key} `{text}` {bad}"), bad.advice());
        None
    }
}
