// SPDX-License-Identifier: GPL-3.0-or-later
// Fetches pages as java.net.http does: over plain HTTP it offers HTTP/2 (Upgrade: h2c) with each request. The last argument is
// POSTed to, with a body. Run by test_h2c.py: java Offer.java URL...
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

public class Offer {
	public static void main(String[] args) throws Exception {
		var client = HttpClient.newHttpClient();
		for (String url : args) {
			var request = HttpRequest.newBuilder(URI.create(url));
			if (url == args[args.length - 1])
				request.POST(HttpRequest.BodyPublishers.ofString("x".repeat(50000)));
			var answer = client.send(request.build(), BodyHandlers.ofString());
			System.out.println(answer.version() + " " + answer.statusCode() + " " + answer.body().strip());
		}
	}
}
