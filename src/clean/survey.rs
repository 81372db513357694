//! What is used of each sandbox's images, and what cannot be told.
//!
//! It fails closed: whatever cannot be read is a fault, and of a sandbox with a
//! fault nothing counts as unused. Sandboxes may share an `image-dir`, so what
//! one of them uses, or cannot tell, holds for the others.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::history::{Bounds, kept};
use super::removal;
use crate::cause::Cause;
use crate::config::file;
use crate::config::process::read_processes;
use crate::config::sandbox::{Sandbox, read_sandbox};
use crate::config_log;
use crate::load::{self, Home};
use crate::name::Name;
use crate::problem::Severity;
use crate::resolve::paths;
use crate::tree::records::{Found, Records};

/// An image directory and who uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// Where it is.
    pub path: PathBuf,
    /// Why it is kept; empty: it is unused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    #[serde(skip)]
    pub image_dir: PathBuf,
    #[serde(skip)]
    pub name: PathBuf,
}

/// Something that cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Of which sandbox; none: of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Name>,
    /// Why.
    pub message: String,
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Survey {
    /// Sorted by path.
    pub images: Vec<Image>,
    /// What cannot be told; the images of these sandboxes are kept.
    pub faults: Vec<Fault>,
}

/// A sandbox whose config can be read.
struct Ground {
    name: Name,
    sandbox: Sandbox,
    /// Without symlinks.
    image_dir: PathBuf,
}

/// Looks at everything, and changes nothing.
pub fn survey(home: &Home, bounds: &Bounds, keep_recent: Duration) -> Survey {
    let mut survey = Survey::default();
    let now = SystemTime::now();
    let mut used: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    survey.running(home, &mut used);
    let grounds = survey.grounds(home);
    for ground in &grounds {
        match survey.used_by(home, ground, bounds, now) {
            Ok(images) => {
                for (image, why) in images {
                    note(&mut used, ground.image_dir.join(image), why);
                }
            }
            Err(message) => survey.fault(Some(&ground.name), message),
        }
    }
    let mut seen: BTreeMap<PathBuf, Image> = BTreeMap::new();
    for ground in &grounds {
        match removal::list(&ground.image_dir, ground.sandbox.image_dir_levels) {
            Ok(found) => {
                for found in found {
                    let path = ground.image_dir.join(&found.name);
                    let mut because = reasons(&used, &path);
                    let age = now.duration_since(found.changed).unwrap_or_default();
                    if age < keep_recent {
                        because.push("it is recent".to_owned());
                    }
                    let image = Image {
                        path: path.clone(),
                        because,
                        image_dir: ground.image_dir.clone(),
                        name: found.name,
                    };
                    seen.entry(path).or_insert(image);
                }
            }
            Err(err) => {
                let message = format!(
                    "cannot list {}: {}",
                    ground.image_dir.display(),
                    Cause(&err)
                );
                survey.fault(Some(&ground.name), message);
            }
        }
    }
    for image in seen.values_mut() {
        image.because.extend(survey.withheld(&grounds, &image.path));
        image.because.dedup();
    }
    survey.images = seen.into_values().collect();
    survey
}

/// Notes that an image is used, under its name and where that leads to.
fn note(used: &mut BTreeMap<PathBuf, Vec<String>>, path: PathBuf, why: String) {
    if let Ok(real) = fs::canonicalize(&path)
        && real != path
    {
        used.entry(real).or_default().push(why.clone());
    }
    used.entry(path).or_default().push(why);
}

/// Why this directory is used, or one above or below it.
fn reasons(used: &BTreeMap<PathBuf, Vec<String>>, path: &Path) -> Vec<String> {
    let near = |other: &Path| other.starts_with(path) || path.starts_with(other);
    let found = used.iter().filter(|(other, _)| near(other));
    let mut reasons: Vec<_> = found.flat_map(|(_, why)| why.clone()).collect();
    reasons.sort();
    reasons.dedup();
    reasons
}

impl Survey {
    fn fault(&mut self, sandbox: Option<&Name>, message: String) {
        let sandbox = sandbox.cloned();
        self.faults.push(Fault { sandbox, message });
    }

    /// Images of all containers with a record, commands included.
    fn running(&mut self, home: &Home, used: &mut BTreeMap<PathBuf, Vec<String>>) {
        match fs::symlink_metadata(&home.state_dir) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return,
            _ => {}
        }
        let records = Records::look(&home.state_dir);
        let names = records.and_then(|records| Ok((records.names()?, records)));
        let (names, records) = match names {
            Ok(found) => found,
            Err(err) => return self.fault(None, err.to_string()),
        };
        for name in names {
            match records.read(name.clone()) {
                Ok(Found::Record(record)) => {
                    let image = record.plan.image.clone();
                    note(used, image, format!("{name} has it"));
                }
                Ok(Found::OtherBoot(_)) => {}
                Ok(Found::Torn(_)) => {
                    let message = format!("the record of {name} cannot be read");
                    self.fault(None, message);
                }
                Err(err) => self.fault(None, err.to_string()),
            }
        }
    }

    fn grounds(&mut self, home: &Home) -> Vec<Ground> {
        let (names, problems) = load::sandbox_names(home);
        for problem in problems {
            if problem.severity == Severity::Error {
                self.fault(None, problem.message);
            }
        }
        let mut grounds = Vec::new();
        for name in names {
            match ground(home, &name) {
                Ok(ground) => grounds.extend(ground),
                // Its image-dir is not known, and may be any of the others'.
                Err(message) => self.fault(None, format!("sandbox {name}: {message}")),
            }
        }
        grounds
    }

    /// Names of images that a sandbox uses, with why; or why that cannot be told.
    fn used_by(
        &self,
        home: &Home,
        ground: &Ground,
        bounds: &Bounds,
        now: SystemTime,
    ) -> Result<Vec<(PathBuf, String)>, String> {
        let (name, sandbox) = (&ground.name, &ground.sandbox);
        let mut used = Vec::new();
        let path = home.process_file(name, sandbox);
        let source = file::read(&path).map_err(|problem| problem.message)?;
        let (processes, problems) = read_processes(&source);
        let broken = || format!("{} has problems, see lithos_check", path.display());
        for (process, entry) in processes.ok_or_else(broken)? {
            let entry = entry.ok_or_else(broken)?;
            used.push((
                entry.image.clone(),
                format!("{name}/{process} is configured with it"),
            ));
        }
        if problems.iter().any(|p| p.severity == Severity::Error) {
            return Err(broken());
        }
        if let Some(list) = &sandbox.used_images_list {
            let text = fs::read_to_string(list);
            let text =
                text.map_err(|err| format!("cannot read {}: {}", list.display(), Cause(&err)))?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            used.extend(lines.map(|line| (line.into(), format!("{} names it", list.display()))));
        }
        for (image, _) in &used {
            if paths::image(&ground.image_dir, sandbox.image_dir_levels, image).is_none() {
                return Err(format!("{} is no image's name here", image.display()));
            }
        }
        let history = history(home, name, bounds, now)?.into_iter();
        used.extend(history.map(|image| (image.into(), format!("{name} had it lately"))));
        Ok(used)
    }

    /// Why an image is kept whoever uses it.
    fn withheld(&self, grounds: &[Ground], path: &Path) -> Vec<String> {
        let mut why = Vec::new();
        if self.faults.iter().any(|fault| fault.sandbox.is_none()) {
            why.push("not everything can be read".to_owned());
        }
        for ground in grounds {
            let (name, image_dir) = (&ground.name, &ground.image_dir);
            if image_dir.starts_with(path) {
                why.push(format!("it holds the images of {name}"));
            }
            if !path.starts_with(image_dir) {
                continue;
            }
            if !ground.sandbox.auto_clean {
                why.push(format!("{name} has `auto-clean: false`"));
            }
            if self
                .faults
                .iter()
                .any(|fault| fault.sandbox.as_ref() == Some(name))
            {
                why.push(format!("what {name} uses cannot be told"));
            }
        }
        why
    }
}

/// None if it has no images at all.
fn ground(home: &Home, name: &Name) -> Result<Option<Ground>, String> {
    let source = file::read(&home.sandbox_file(name)).map_err(|problem| problem.message)?;
    let (sandbox, problems) = read_sandbox(&source);
    if let Some(problem) = problems.iter().find(|p| p.severity == Severity::Error) {
        return Err(problem.message.clone());
    }
    let sandbox = sandbox.ok_or("its config cannot be read")?;
    let image_dir = match fs::canonicalize(&sandbox.image_dir) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => {
            return Err(format!(
                "cannot open {}: {}",
                sandbox.image_dir.display(),
                Cause(&err)
            ));
        }
        Ok(path) => path,
    };
    let name = name.clone();
    Ok(Some(Ground {
        name,
        sandbox,
        image_dir,
    }))
}

fn history(
    home: &Home,
    name: &Name,
    bounds: &Bounds,
    now: SystemTime,
) -> Result<Vec<String>, String> {
    let Some(dir) = &home.master.config_log_dir else {
        return Err("there is no history: `config-log-dir` is turned off".to_owned());
    };
    let shown = dir.join(format!("{name}.log"));
    let shown = shown.display();
    let (entries, broken) = config_log::read(dir, name)
        .map_err(|err| format!("cannot read {shown}: {}", Cause(&err)))?;
    if broken > 0 {
        return Err(format!("{shown} has {broken} lines that cannot be read"));
    }
    if entries.is_empty() {
        return Err(format!("there is no history: {shown} is missing or empty"));
    }
    let kept = kept(&entries, bounds, now);
    let kept = kept.ok_or_else(|| format!("{shown} holds a config that cannot be understood"))?;
    Ok(kept.into_iter().collect())
}
