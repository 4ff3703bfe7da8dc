//! Stands for the official OpenFaaS gateway in tests: no more of it than what is at stake there. It forwards to
//! `functions_provider_url`, re-sends bodies in chunks without their length, and adds `X-Call-Id` and `X-Start-Time`. It
//! is built by `rustc` alone, for an image with nothing else in it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

static CALLS: AtomicU64 = AtomicU64::new(0);

fn main() -> io::Result<()> {
    let provider = std::env::var("functions_provider_url").expect("functions_provider_url");
    // The real one joins path and URL without a look.
    assert!(provider.ends_with('/'), "functions_provider_url has to end in a slash: {provider}");
    let provider = provider.trim_start_matches("http://").trim_end_matches('/').to_owned();
    for stream in TcpListener::bind("0.0.0.0:8080")?.incoming() {
        let (stream, provider) = (stream?, provider.clone());
        std::thread::spawn(move || serve(stream, &provider));
    }
    Ok(())
}

/// One request, one connection on each side.
fn serve(mut user: TcpStream, provider: &str) -> io::Result<()> {
    let mut reader = BufReader::new(user.try_clone()?);
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(());
    }
    let (mut headers, mut length, mut chunked, mut awaited) = (Vec::new(), 0, false, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        let Some((name, value)) = line.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
            "transfer-encoding" => chunked = true,
            "expect" => awaited = true,
            "connection" => {}
            _ => headers.push(line.to_owned()),
        }
    }
    let Ok(mut upstream) = TcpStream::connect(provider) else {
        return user.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    if !headers.iter().any(|line| line.to_ascii_lowercase().starts_with("x-call-id:")) {
        headers.push(format!("X-Call-Id: {}", CALLS.fetch_add(1, Ordering::Relaxed)));
    }
    let added = format!("X-Start-Time: {}", since.as_nanos());
    headers.push(added.clone());
    headers.push("Connection: close".to_owned());
    let has_body = chunked || length > 0;
    if has_body {
        headers.push("Transfer-Encoding: chunked".to_owned());
    }
    write!(upstream, "{}\r\n{}\r\n\r\n", first.trim_end(), headers.join("\r\n"))?;
    if awaited {
        user.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    // The provider may answer before it has the whole body.
    let mut answer = upstream.try_clone()?;
    let answering = std::thread::spawn(move || {
        let mut answer = BufReader::new(&mut answer);
        let mut status = String::new();
        answer.read_line(&mut status)?;
        write!(user, "{}\r\n{added}\r\n", status.trim_end())?;
        io::copy(&mut answer, &mut user)
    });
    if has_body {
        send(&mut reader, &mut upstream, length, chunked)?;
    }
    answering.join().expect("no panic").map(drop)
}

/// Sends a body in chunks, whatever it came in.
fn send(from: &mut impl BufRead, to: &mut impl Write, mut length: u64, chunked: bool) -> io::Result<()> {
    loop {
        if chunked {
            let mut size = String::new();
            from.read_line(&mut size)?;
            length = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        }
        let mut piece = Vec::new();
        from.take(length).read_to_end(&mut piece)?;
        if !piece.is_empty() {
            write!(to, "{:x}\r\n", piece.len())?;
            to.write_all(&piece)?;
            to.write_all(b"\r\n")?;
        }
        if chunked {
            from.read_line(&mut String::new())?;
        }
        if !chunked || length == 0 {
            return to.write_all(b"0\r\n\r\n");
        }
    }
}
