// SPDX-License-Identifier: GPL-3.0-or-later
// Fetches pages as a Java program does (JSSE, HttpsURLConnection), and says how long the last one took: the ones before
// warm up the machine. Run by test_heavy.py: java Page.java URL...
import java.net.URI;

public class Page {
	public static void main(String[] args) throws Exception {
		int code = 0;
		for (String url : args) {
			long from = System.nanoTime();
			code = 0;
			try (var in = URI.create(url).toURL().openStream()) {
				System.out.println(new String(in.readAllBytes()));
			} catch (java.io.IOException e) {
				System.out.println(e);
				code = 1;
			}
			if (url == args[args.length - 1])
				System.out.println("seconds " + (System.nanoTime() - from) / 1e9);
		}
		System.exit(code);
	}
}
