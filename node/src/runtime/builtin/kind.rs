//! Which built-in function an image names.

/// A built-in function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Answers with what it was sent.
    Echo,
    /// Waits, using no processor.
    Sleep,
    /// Computes for a time, measured as time of one core.
    Cpu,
    /// Computes digits of pi.
    Pi,
    /// Answers with many bytes.
    Payload,
    /// Answers with an error, or breaks.
    Fail,
}

impl Kind {
    const NAMES: [(&'static str, Kind); 6] = [
        ("echo", Kind::Echo),
        ("sleep", Kind::Sleep),
        ("cpu", Kind::Cpu),
        ("pi", Kind::Pi),
        ("payload", Kind::Payload),
        ("fail", Kind::Fail),
    ];

    /// Reads an image: `builtin/echo`, a tag or a registry do not matter.
    pub(super) fn of_image(image: &str) -> Result<Self, String> {
        let path =
            image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(image, |(path, _)| path);
        let mut parts = path.rsplit('/');
        let (name, group) = (parts.next().unwrap_or_default(), parts.next());
        let found = Self::NAMES.iter().find(|(known, _)| group == Some("builtin") && *known == name);
        found.map(|(_, kind)| *kind).ok_or_else(|| {
            let images: Vec<String> = Self::NAMES.iter().map(|(name, _)| format!("builtin/{name}")).collect();
            format!(
                "image {image:?}: this node has the built-in runtime, which runs {}; other images need a node with an \
                 OpenFaaS gateway behind it (--runtime openfaas)",
                images.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_names_a_function() {
        for image in
            ["builtin/pi", "builtin/pi:latest", "localhost:5000/builtin/pi", "localhost:5000/builtin/pi:1"]
        {
            assert_eq!(Kind::of_image(image), Ok(Kind::Pi), "{image}");
        }
        for image in ["", "pi", "builtin/", "builtin/rm", "acme/pi", "builtin/pi/x"] {
            let error = Kind::of_image(image).expect_err(image);
            assert!(error.contains("builtin/echo") && error.contains("--runtime openfaas"), "{error}");
        }
    }
}
