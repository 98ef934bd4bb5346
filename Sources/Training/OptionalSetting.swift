// SPDX-License-Identifier: GPL-3.0-or-later

/// The value that a setting has where a recipe leaves it out.
public protocol StandardValue {
    associatedtype Value: Codable, Equatable, Sendable
    static var value: Value { get }
}

/// A setting that a recipe may leave out. At its standard value it is never encoded, so the digests of recipes stay
/// what they were before there was the key.
@propertyWrapper public struct Optionally<Standard: StandardValue>: Codable, Equatable, Sendable {
    public var wrappedValue: Standard.Value

    public init(wrappedValue: Standard.Value = Standard.value) { self.wrappedValue = wrappedValue }

    public init(from decoder: any Decoder) throws { wrappedValue = try Standard.Value(from: decoder) }
    public func encode(to encoder: any Encoder) throws { try wrappedValue.encode(to: encoder) }
}

// The compiler's own Codable code for a structure calls these.
extension KeyedDecodingContainer {
    func decode<S>(_ type: Optionally<S>.Type, forKey key: Key) throws -> Optionally<S> {
        Optionally(wrappedValue: try decodeIfPresent(S.Value.self, forKey: key) ?? S.value)
    }
}

extension KeyedEncodingContainer {
    mutating func encode<S>(_ setting: Optionally<S>, forKey key: Key) throws {
        if setting.wrappedValue != S.value { try encode(setting.wrappedValue, forKey: key) }
    }
}
