//! From the texts of the four configs to plans, the way that `lithos::load` goes.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use lithos::config::container::{read_container, read_secrets_file};
use lithos::config::master::read_master;
use lithos::config::process::{Process, read_processes};
use lithos::config::sandbox::{Sandbox, read_sandbox};
use lithos::config::secret::SecretMap;
use lithos::name::Name;
use lithos::problem::{Problem, Severity, Source};
use lithos::resolve::paths::{self, Home};
use lithos::resolve::plan::Plan;
use lithos::resolve::{self, Before, Doc, Documents, Template, conflicts};

use crate::{facts, plans};

/// The texts of the configs of a server with one sandbox.
pub struct Texts<'a> {
    /// The master config.
    pub master: &'a str,
    /// The sandbox config.
    pub sandbox: &'a str,
    /// The process config.
    pub process: &'a str,
    /// The container config of every process.
    pub container: &'a str,
    /// Its secrets file.
    pub secrets: &'a str,
}

/// What one process is resolved among.
struct Scene<'a> {
    texts: &'a Texts<'a>,
    home: &'a Home,
    sandbox_name: &'a Name,
    sandbox: Doc<'a, Sandbox>,
}

impl Texts<'static> {
    /// Configs that use every key, and give plans.
    pub const USUAL: Self = Self {
        master: include_str!("../seeds/master/everything.yaml"),
        sandbox: include_str!("../seeds/sandbox/everything.yaml"),
        process: include_str!("../seeds/process/everything.yaml"),
        container: include_str!("../seeds/container/everything.yaml"),
        secrets: include_str!("../seeds/secrets.yaml"),
    };
}

impl Texts<'_> {
    /// Reads and resolves all, and goes through what comes of it.
    ///
    /// # Panics
    ///
    /// Where something does not hold that should hold of any text.
    pub fn resolve(&self) -> Vec<Rc<Plan>> {
        let (master, problems) = read_master(&source("/etc/lithos/master.yaml", self.master));
        show(&problems);
        let Some(master) = master else {
            return Vec::new();
        };
        let credentials = Some(PathBuf::from("/run/credentials/lithos"));
        let home = Home::new("/etc/lithos/master.yaml".into(), master, credentials);
        let source = source("/etc/lithos/sandboxes/shop.yaml", self.sandbox);
        let (sandbox, problems) = read_sandbox(&source);
        show(&problems);
        let Some(sandbox) = sandbox else {
            return Vec::new();
        };
        let name: Name = "shop".parse().expect("a name");
        let sandbox = Doc::new(&sandbox, &source);
        let problems = resolve::sandbox(&name, sandbox);
        show(&problems);
        if errors(&problems) > 0 {
            return Vec::new();
        }
        let scene = Scene {
            texts: self,
            home: &home,
            sandbox_name: &name,
            sandbox,
        };
        scene.processes(&home.process_file(&name, &sandbox))
    }
}

impl Scene<'_> {
    fn processes(&self, file: &Path) -> Vec<Rc<Plan>> {
        let source = source(file, self.texts.process);
        let (processes, problems) = read_processes(&source);
        show(&problems);
        let (mut all, mut before) = (Vec::new(), Before::default());
        for (name, process) in processes.iter().flatten() {
            let Some(process) = process else { continue };
            let doc = Doc {
                value: process,
                source: &source,
                entry: Some(name.as_str()),
            };
            let template = self.process(name, doc, before);
            if let Some(template) = &template {
                before.add(template);
            }
            all.push(template.as_ref().map(Template::plans).unwrap_or_default());
            let origins = template.map(|template| template.origins().clone());
            let plans = all.last().expect("it was pushed just now");
            plans::hold(plans, &origins.unwrap_or_default());
        }
        let _ = conflicts::conflicts(all.iter().map(Vec::as_slice));
        all.into_iter().flatten().collect()
    }

    fn process(&self, name: &Name, process: Doc<'_, Process>, before: Before) -> Option<Template> {
        let image = resolve::image(self.sandbox, process, name.to_string());
        let image = image.map_err(|problems| show(&problems)).ok()?;
        assert!(image.starts_with(&self.sandbox.image_dir), "{image:?}");
        let source = source(
            paths::in_image(&image, &process.config),
            self.texts.container,
        );
        let (container, problems) = read_container(&source);
        show(&problems);
        let container = container?;
        let secrets = match &container.secret_environ_file {
            Some(file) => Some(self.secrets(&paths::secrets_file(&process.config, file))?),
            None => None,
        };
        let documents = Documents {
            home: self.home,
            sandbox_name: self.sandbox_name,
            sandbox: self.sandbox,
            process_name: name,
            process,
            before,
            container: Doc::new(&container, &source),
            secrets_file: secrets.as_ref().map(|(map, source)| Doc::new(map, source)),
        };
        if errors(&problems) > 0 {
            return None;
        }
        let resolved =
            resolve::resolve(&documents, &facts::answer(&resolve::questions(&documents)));
        show(&resolved.problems);
        assert_eq!(resolved.template.is_some(), errors(&resolved.problems) == 0);
        resolved.template
    }

    fn secrets(&self, file: &Path) -> Option<(SecretMap, Arc<Source>)> {
        let source = Arc::new(Source {
            path: file.to_owned(),
            text: self.texts.secrets.to_owned(),
            secret: true,
        });
        let (map, problems) = read_secrets_file(&source);
        show(&problems);
        Some((map?, source))
    }
}

fn source(path: impl Into<PathBuf>, text: &str) -> Arc<Source> {
    Arc::new(Source {
        path: path.into(),
        text: text.to_owned(),
        secret: false,
    })
}

fn errors(problems: &[Problem]) -> usize {
    let errors = problems.iter().filter(|p| p.severity == Severity::Error);
    errors.count()
}

/// Shows some problems, each of which reads the document once more.
fn show(problems: &[Problem]) {
    for problem in problems.iter().take(4) {
        assert!(!problem.message.is_empty());
        assert!(!problem.to_string().contains('\n'), "{problem}");
        assert!(!problem.render(true).is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_configs_give_a_plan_for_every_container() {
        let names: Vec<_> = Texts::USUAL
            .resolve()
            .iter()
            .map(|plan| plan.name.to_string())
            .collect();
        assert_eq!(names, ["shop/cmd.migrate.0", "shop/web.0", "shop/web.1"]);
    }
}
