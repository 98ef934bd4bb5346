// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Foundation
import Parallelism
import Statistics
import Testing

/// Resizing equals Pillow's bit for bit: the reference, and the kernel.
@Suite struct AntialiasedResizeTests {
    private func fast(_ pixels: [UInt8], width: Int, at offset: Int = 0, _ horizontal: ResizeAxis, _ vertical: ResizeAxis) -> [UInt8] {
        var scratch: [UInt8] = []
        return [UInt8](unsafeUninitializedCapacity: 4 * horizontal.outputs * vertical.outputs) { output, count in
            pixels.withUnsafeBufferPointer {
                resize(
                    $0.baseAddress! + 4 * offset, stride: 4 * width, horizontal: horizontal, vertical: vertical, scratch: &scratch,
                    to: output.baseAddress!)
            }
            count = output.count
        }
    }

    @Test func cropAndResizeEqualPillow() throws {
        for vector in try PillowVectors.load().resize {
            let pixels = hashedPixels(height: vector.height, width: vector.width, seed: vector.seed)
            let (row, column, height, width) = (vector.window[0], vector.window[1], vector.window[2], vector.window[3])
            func axis(_ size: Int, _ outputs: Int) -> ResizeAxis {
                ResizeAxis(inputs: size, window: 0...Double(size), outputs: outputs, kept: 0..<outputs)
            }
            let (horizontal, vertical) = (axis(width, vector.to[1]), axis(height, vector.to[0]))
            let part = cut(pixels, width: vector.width, PixelWindow(row: row, column: column, height: height, width: width))
            let reference = resizeReference(part, width: width, horizontal: horizontal, vertical: vertical)
            #expect(rgb(reference) == Array(vector.rgb), "seed \(vector.seed)")
            let ours = fast(pixels, width: vector.width, at: row * vector.width + column, horizontal, vertical)
            #expect(rgb(ours) == rgb(reference), "seed \(vector.seed)")
        }
    }

    /// Windows at any place, and outputs that are left out, are the reference's too; 200 draws of seed 1.
    @Test(arguments: InstructionSet.available) func theKernelIsTheReference(_ set: InstructionSet) {
        set.limit {
            var random = Philox(seed: 1, stream: 0)
            for seed in 0..<200 {
                let (height, width) = (Int(random.next() % 40) + 1, Int(random.next() % 40) + 1)
                func axis(_ inputs: Int) -> ResizeAxis {
                    let low = random.uniform() * Double(inputs) / 2, outputs = Int(random.next() % 30) + 1
                    let high = low + max(0.5, random.uniform() * (Double(inputs) - low))
                    let start = Int(random.next() % UInt64(outputs))
                    return ResizeAxis(inputs: inputs, window: low...min(high, Double(inputs)), outputs: outputs, kept: start..<outputs)
                }
                let (horizontal, vertical) = (axis(width), axis(height))
                // Bright, so that rounding up at 255 happens.
                let pixels = hashedPixels(height: height, width: width, seed: seed).map { seed % 2 == 0 ? $0 : 255 - $0 / 64 }
                let reference = resizeReference(pixels, width: width, horizontal: horizontal, vertical: vertical)
                #expect(fast(pixels, width: width, horizontal, vertical) == reference)
            }
        }
    }

    /// torchvision's Resize and CenterCrop, also without resizing and where the image is smaller than the crop.
    @Test func testImagesEqualTorchvision() throws {
        // Any split does: only the crop counts.
        let tiny = try TinyImageNet()
        let data = try ImageNet(folder: tiny.folder, unreadable: UnreadableImages(limit: 0) { _ in })
        for vector in try PillowVectors.load().test {
            let pixels = hashedPixels(height: vector.height, width: vector.width, seed: vector.seed)
            let reader = try JPEGReader(data.testSplit(CenterCrop(resize: vector.resize, crop: vector.crop)), nil, 0)
            pixels.withUnsafeBufferPointer {
                reader.cropCenter(ImageDecoder.Pixels(width: vector.width, height: vector.height, bytes: $0.baseAddress!))
            }
            #expect(rgb(reader.window) == Array(vector.rgb), "seed \(vector.seed)")
        }
    }
}
