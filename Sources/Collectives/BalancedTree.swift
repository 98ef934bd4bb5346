// SPDX-License-Identifier: GPL-3.0-or-later

/// The order in which everything over shards and ranks is added: a balanced binary tree over a power of two of leaves. Any aligned half,
/// quarter, … of the leaves is a subtree, so that ranks can add theirs by themselves without another result.
///
/// - Parameters:
///   - leaves: a power of two of them.
///   - leaf: called for each leaf, in order.
///   - combine: joins two neighbouring subtrees, known by their first leaves, into the first one.
public func balancedTree(_ leaves: Range<Int>, leaf: (Int) throws -> Void, combine: (_ first: Int, _ second: Int) throws -> Void) rethrows {
    guard leaves.count > 1 else { return try leaf(leaves.lowerBound) }
    let middle = leaves.lowerBound + leaves.count / 2
    try balancedTree(leaves.lowerBound..<middle, leaf: leaf, combine: combine)
    try balancedTree(middle..<leaves.upperBound, leaf: leaf, combine: combine)
    try combine(leaves.lowerBound, middle)
}

/// `to[i] += from[i]`.
@inline(never) package func add(_ from: UnsafePointer<Float>, to: UnsafeMutablePointer<Float>, _ count: Int) {
    for i in 0..<count { to[i] += from[i] }
}
