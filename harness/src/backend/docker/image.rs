//! The image of a node: its program, and nothing else.

use super::engine::{Engine, LABEL, failed};
use crate::failure::Failure;
use bollard::query_parameters::BuildImageOptionsBuilder;
use futures::stream::TryStreamExt;
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

impl Engine {
    /// Makes an image of the program of a node, and nothing else, for run `run`.
    ///
    /// # Errors
    /// If the program is not linked statically, or the engine does not make the image.
    pub async fn build_image(&self, program: &Path, run: &str) -> Result<String, Failure> {
        check_static(program)?;
        let context = context(program)
            .map_err(|error| Failure::Other(format!("{}: cannot be packed: {error}", program.display())))?;
        let tag = format!("edge-faas-harness:{run}").to_lowercase();
        let options = BuildImageOptionsBuilder::new()
            .dockerfile("Dockerfile")
            .t(&tag)
            .labels(&HashMap::from([(LABEL, run)]))
            .rm(true)
            .forcerm(true)
            .build();
        let steps = self.docker.build_image(options, None, Some(bollard::body_full(context.into())));
        steps.try_for_each(|_| async { Ok(()) }).await.map_err(failed("the nodes' image cannot be built"))?;
        Ok(tag)
    }
}

/// Refuses a program that would look for libraries in an image that has none.
fn check_static(program: &Path) -> Result<(), Failure> {
    let wrong = |why: &str| {
        Err(Failure::Input(format!(
            "{}: {why}; scripts/build-static-node builds a program of a node that runs in an empty image",
            program.display()
        )))
    };
    let mut head = vec![0; 4_096];
    let read = std::fs::File::open(program).and_then(|mut file| file.read(&mut head));
    match read {
        Err(error) => wrong(&format!("cannot be read ({error})")),
        Ok(_) if !head.starts_with(b"\x7fELF") => wrong("is no program of Linux"),
        Ok(_) if interpreted(&head) => wrong("is linked dynamically"),
        Ok(_) => Ok(()),
    }
}

/// Whether the head of a 64-bit ELF file names a program interpreter (ELF-64, program header of type `PT_INTERP`).
fn interpreted(head: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let number = |at: usize, size: usize| -> Option<u64> {
        let bytes = head.get(at..at + size)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    let headers = || {
        let (start, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        Some((0..count).filter_map(move |index| number((start + index * size) as usize, 4)))
    };
    headers().is_some_and(|mut kinds| kinds.any(|kind| kind == u64::from(PT_INTERP)))
}

/// What the image is built from.
fn context(program: &Path) -> std::io::Result<Vec<u8>> {
    const DOCKERFILE: &str = "FROM scratch\nCOPY edge-faas /edge-faas\nENTRYPOINT [\"/edge-faas\"]\n";
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(DOCKERFILE.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "Dockerfile", DOCKERFILE.as_bytes())?;
    let mut header = tar::Header::new_gnu();
    let file = std::fs::File::open(program)?;
    header.set_size(file.metadata()?.len());
    header.set_mode(0o755);
    archive.append_data(&mut header, "edge-faas", file)?;
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_needs_libraries_is_told_from_one_that_does_not() {
        let elf = |kinds: &[u32]| {
            let mut head = vec![0; 64 + 56 * kinds.len()];
            head[..4].copy_from_slice(b"\x7fELF");
            head[32] = 64;
            head[54] = 56;
            head[56] = kinds.len() as u8;
            for (index, kind) in kinds.iter().enumerate() {
                head[64 + 56 * index..][..4].copy_from_slice(&kind.to_le_bytes());
            }
            head
        };
        assert!(interpreted(&elf(&[6, 3, 1])));
        assert!(!interpreted(&elf(&[6, 1, 2])));
        assert!(!interpreted(b"\x7fELF"));
        assert!(check_static(Path::new("/etc/hostname")).is_err());
    }

    #[test]
    fn the_image_is_built_from_the_program_and_nothing_else() {
        let program = std::env::current_exe().unwrap();
        let bytes = context(&program).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["Dockerfile", "edge-faas"]);
    }
}
