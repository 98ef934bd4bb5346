// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// An HTTP server on the loopback interface that serves files by their names, one connection at a time.
final class RangeServer: @unchecked Sendable {
    let port: Int
    private let socket: Int32
    private let lock = NSLock()
    private let files: [String: Data]
    private let acceptsRanges: Bool
    /// Connections are cut after so many bytes of their answer; one element is used up by each.
    private var cuts: [Int]
    private var seen: [String] = [], asked: [String] = []

    /// The Range header of each request so far, "" where it had none.
    var ranges: [String] { lock.withLock { seen } }
    /// The paths of the requests.
    var paths: [String] { lock.withLock { asked } }
    /// Of the folder.
    var url: String { "http://127.0.0.1:\(port)" }

    init(files: [String: Data], cuts: [Int] = [], acceptsRanges: Bool = true) {
        setenv("no_proxy", "127.0.0.1", 1)
        (self.files, self.cuts, self.acceptsRanges) = (files, cuts, acceptsRanges)
        socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = socket
        port = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                precondition(bind(bound, $0, size) == 0 && listen(bound, 8) == 0 && getsockname(bound, $0, &size) == 0)
            }
            return Int(UInt16(bigEndian: $0.pointee.sin_port))
        }
        Thread { [self] in
            while case let connection = accept(socket, nil, nil), connection >= 0 {
                answer(connection)
                close(connection)
            }
        }.start()
    }

    func stop() {
        shutdown(socket, Int32(SHUT_RDWR))
        close(socket)
    }

    private func answer(_ connection: Int32) {
        var request = ""
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !request.contains("\r\n\r\n") {
            let count = read(connection, &buffer, buffer.count)
            guard count > 0 else { return }
            request += String(decoding: buffer[..<count], as: UTF8.self)
        }
        let path = String(request.split(separator: " ").dropFirst().first ?? "")
        let header = request.components(separatedBy: "\r\n").first { $0.lowercased().hasPrefix("range: ") }
        let range = header.map { String($0.dropFirst("range: ".count)) } ?? ""
        let cut = lock.withLock {
            seen.append(range)
            asked.append(path)
            return cuts.isEmpty ? Int.max : cuts.removeFirst()
        }
        guard let body = files[(path as NSString).lastPathComponent] else {
            let bytes = Array("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)
            _ = bytes.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            return
        }
        var start = 0
        if acceptsRanges, range.hasPrefix("bytes=") { start = Int(range.dropFirst(6).dropLast()) ?? 0 }
        let head =
            start > 0
            ? "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes \(start)-\(body.count - 1)/\(body.count)\r\n"
            : "HTTP/1.1 200 OK\r\n"
        let rest = body[start...]
        let bytes = Array((head + "Content-Length: \(rest.count)\r\nConnection: close\r\n\r\n").utf8) + rest.prefix(cut)
        _ = bytes.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }
}
